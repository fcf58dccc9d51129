"""Things to ask a collection for, one by one: some of which few folders of pictures hold, and some that many do."""

from __future__ import annotations

RARE = """
MRI scan of a knee; circuit board; periodic table; spreadsheet; invoice; electron microscope; submarine; chess
position; aquarium; giraffe; penguin colony; walrus; tractor engine; lighthouse; church organ; rocket launch;
skeleton; volcano; coral reef; beehive; spider web; parachute; hot air balloon; space station; telescope; oil
platform; wind tunnel; coal mine; printing press; loom; blast furnace; nuclear reactor; particle detector; server
rack; oscilloscope; soldering iron; barcode; crossword; sheet music; weather map; floor plan; passport; bank note;
stamp collection; coin; medal; sundial; compass; sextant; hourglass; typewriter; gramophone; harp; bagpipes;
accordion; pipe wrench; lathe; chainsaw; anvil; scarecrow; igloo; pyramid; pagoda; totem pole; suit of armour;
mummy; fossil; meteorite; crystal; lava; glacier crevasse; geyser; tornado; lightning bolt; eclipse; comet; galaxy;
aurora; mushroom cloud; shipwreck; whale; octopus; jellyfish; seahorse; crocodile; rattlesnake; chameleon;
tarantula; scorpion; vulture; flamingo; peacock; ostrich; hedgehog; armadillo; sloth; panda; koala; platypus;
rhinoceros; hippopotamus; camel caravan; reindeer sledge; sumo wrestler; fencing duel; bullfight; ballet; opera
stage; courtroom; operating theatre; dentist; laboratory mouse; autopsy; guillotine; cannon; tank; aircraft carrier;
steam locomotive; cable car; gondola; rickshaw; hearse; snowplough; combine harvester; vineyard; rice terrace;
annual report; employment contract; electricity bill; receipt; tax form; customs declaration; ballot paper; birth
certificate; diploma; curriculum vitae; job interview; timetable; flow chart; bar graph; scatter plot; pocket
calculator; cash register; office cubicle; filing cabinet; whiteboard; slide projector; blueprint; logo; screenshot;
program listing; keyboard shortcut; microchip; antenna mast; robot arm; vending machine; parking meter; fire hydrant;
blood cell; virus under the microscope; syringe; heart transplant; bandaged wound; pacemaker; embryo; chromosome;
incubator; stretcher; pharmacy shelf; thermometer; magnifying glass; prism; pendulum; magnet;
model of an atom; algebra; geometry proof; multiplication table; alphabet chart; dictionary; encyclopaedia; newspaper
headline; comic strip; etching; watercolour of a vase; still life with fruit; tapestry; icon of a saint; mural;
porcelain figurine; terracotta army; obelisk; colosseum; castle dungeon; drawbridge; windmill; watermill; dam; quarry;
oil tanker; container port; tugboat; hovercraft; hang glider; propeller; radar screen; control tower; tunnel boring;
railway signal; turntable; jukebox; church bell; pipe organ; cello; trombone; xylophone; banjo; tambourine; puppet
theatre; magician; ventriloquist; trapeze; lion tamer; gladiator; knight on horseback; pharaoh; astronaut; deep sea
diver; beekeeper; blacksmith; glass blower; cobbler; tailor; watchmaker; locksmith; barber; undertaker; judge; bishop;
emperor; mermaid; dragon; unicorn; vampire; werewolf; ghost; alien; goblin; polar bear; snow leopard; tapir; anteater;
baboon; warthog; gazelle; antelope; porcupine; skunk; raccoon; badger; weasel; mongoose; salamander; tadpole; leech;
centipede; silkworm; dragonfly; moth; grasshopper; praying mantis; snail; clam; shrimp; swordfish; stingray; eel;
parrot; kingfisher; heron; puffin; albatross; condor; turkey; pheasant; sequoia; palm oil; fern; moss; lichen; truffle;
artichoke; asparagus; pomegranate; durian; coconut; pineapple; walnut; cinnamon; saffron; soy sauce; omelette; soup
tureen; gingerbread; wedding cake; samovar; teapot; corkscrew; waffle iron; toaster; refrigerator; sewing machine;
spinning wheel; iron lung; candelabra; four poster bed; rocking chair; bookcase; spiral staircase; attic; greenhouse
"""
"""Things of which a folder of pictures holds few or none."""

EVERYDAY = """
man; woman; boy; girl; child; baby; toddler; teenager; old man; old lady; couple; family; friends; crowd; group of
people; player; team; rider; runner; worker; soldier; policeman; bride; musician; dancer; tourist; audience; face;
hand; feet; hair; beard; smile; shirt; t-shirt; jacket; coat; dress; skirt; trousers; jeans; shorts; suit; tie; hat;
cap; helmet; scarf; gloves; shoes; boots; sandals; socks; sunglasses; glasses; necklace; backpack; handbag; umbrella;
uniform; costume; swimsuit; apron; dog; puppy; cat; kitten; horse; cow; sheep; goat; bird; duck; seagull; pigeon; fish;
butterfly; insect; squirrel; rabbit; elephant; zebra; bear; monkey; collar; leash; tail; saddle; car; truck; bus; van;
taxi; bicycle; motorcycle; scooter; train; tram; boat; sailing boat; kayak; canoe; ship; aeroplane; wheel; window of a
car; road; street; pavement; crossing; traffic light; street sign; bridge; tunnel; railway; station; airport; car park;
house; building; church; tower; shop; market; restaurant; bar; kitchen; bathroom; bedroom; living room; office; school;
classroom; stadium; gym; theatre; stage; playground; park; garden; zoo; farm; field; meadow; forest; tree; flower;
grass; leaf; bush; hill; mountain; cliff; rock; desert; sand; beach; sea; ocean; wave; lake; river; stream; waterfall;
pond; swimming pool; fountain; puddle; mud; snow; ice; rain; fog; cloud; sky; sun; sunset; night; moon; fire; smoke;
shadow; reflection; ball; football; basketball; baseball bat; tennis racket; golf; hockey; volleyball; rugby; frisbee;
skateboard; surfboard; skis; snowboard; sledge; swing; slide; trampoline; rope; kite; balloon; toy; doll; teddy bear;
bubbles; game; race; marathon; climbing; diving; swimming; fishing; camping; tent; picnic; party; wedding; birthday
cake; parade; concert; guitar; drums; piano; microphone; camera; telephone; mobile phone; laptop; computer; screen;
television; book; newspaper; magazine; paper; pen; letter; bag; box; basket; suitcase; bottle; glass; cup; mug; plate;
bowl; fork; knife; spoon; pan; table; chair; bench; sofa; bed; pillow; blanket; carpet; curtain; lamp; candle; mirror;
clock; vase; shelf; door; window; wall; fence; gate; stairs; floor; roof; balcony; ladder; pole; flag; sign; poster;
painting; statue; graffiti; tattoo; bread; sandwich; pizza; burger; cake; ice cream; fruit; apple; banana; orange;
vegetables; salad; meat; soup; rice; cheese; egg; coffee; tea; beer; wine; juice; drink; stick; stone; bucket; hose;
shovel; cart; wheelchair; pushchair; tractor; rubbish bin; fire engine; ambulance; red; blue; green; yellow; white;
black; brown; pink; purple; grey; stripes; black and white photograph; portrait; close-up; landscape;
selfie; two people; three children; jumping; running; walking; sitting; standing; sleeping; eating; drinking; cooking;
reading; playing; dancing; singing; riding; driving; laughing; crying; kissing; hugging; working; shopping
"""
"""What people take pictures of, day by day."""


def rare() -> list[str]:
    return _listed(RARE)


def everyday() -> list[str]:
    return _listed(EVERYDAY)


def _listed(things: str) -> list[str]:
    return [" ".join(thing.split()) for thing in things.split(";")]
